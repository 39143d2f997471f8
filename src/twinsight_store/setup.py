from setuptools import find_packages, setup

package_name = 'twinsight_store'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    package_data={package_name: ['history/migrations/*.sql', 'live/*.lua']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    zip_safe=True,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description='How robot data lies in its stores: layout, writing, querying.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [],
    },
)
